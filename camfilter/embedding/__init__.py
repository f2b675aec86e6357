"""Networks that tell faces apart, as graphs whose hashes are proved; attacked as Face-Off does."""

from camfilter.embedding.base import Embedder, Embeddings
from camfilter.embedding.onnx import OnnxEmbedder, open_embedders

__all__ = ["Embedder", "Embeddings", "OnnxEmbedder", "open_embedders"]
