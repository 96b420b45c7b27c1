"""What every room uses: errors, files, caches, the fingerprint, the machine, text and the console."""
