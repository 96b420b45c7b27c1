"""Large galleries: indexes that find the nearest entries without looking at all of them."""
