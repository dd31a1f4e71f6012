"""Named read models, one file a page: rows in, plain frozen values out, a constant number of queries."""
