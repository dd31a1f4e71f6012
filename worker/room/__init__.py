"""The server room: what a server holds besides what a deploy looks at, and what a person may do there by hand."""
