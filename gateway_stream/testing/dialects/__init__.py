"""How each vendor writes an answer.

The bytes are written out by hand from the vendors' formats, on purpose without the code that reads
them: a misunderstanding there would otherwise answer itself.
"""
