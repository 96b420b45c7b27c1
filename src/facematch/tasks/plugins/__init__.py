"""What other packages add to facematch."""
