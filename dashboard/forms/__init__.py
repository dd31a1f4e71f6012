"""Forms: what a person may type, checked at its field; the domain checks again."""
