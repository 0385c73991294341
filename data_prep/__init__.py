"""Photos in, aligned crops and a manifest out; knows no network of ours and no loss."""
