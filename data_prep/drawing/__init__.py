"""How a person is drawn: looks and circumstances, a canvas around the head, features, light and camera."""
