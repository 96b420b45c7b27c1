"""Sample data: photographs made from real faces that an installed package carries, for a rehearsal."""
