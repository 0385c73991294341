"""The paper's tables and figures of face models, measured of a folder of models."""
