"""Score <-> integer arrays: the house encoding (rows over a bar table) and what it cannot say."""

from zhiyin.encoding.fields import ENCODING
from zhiyin.encoding.quantize import QuantizeReport, quantize
from zhiyin.encoding.rows import EncodedPiece, check_legal, decode, encode, notes_of, same_music

__all__ = ["ENCODING", "EncodedPiece", "QuantizeReport", "check_legal", "decode", "encode", "notes_of", "quantize", "same_music"]
