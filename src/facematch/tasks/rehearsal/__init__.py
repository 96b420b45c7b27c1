"""A competition server of one's own, to rehearse with."""
