"""Which edits of a photo a method of search withstands."""
