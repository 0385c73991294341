"""How a person is drawn: looks and circumstances, a canvas in the head's frame, features, light and camera."""
