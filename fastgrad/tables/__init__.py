"""Tables of people's data: files read, columns encoded as numbers, networks trained on them and asked for predictions."""
