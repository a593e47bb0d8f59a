"""Shapes of vendors' keys, for texts in which nobody knows what is secret: typed words, and errors of vendors."""

from __future__ import annotations

import re

#: Texts that look like a key: letters and digits in one long run, as vendors make them, and not words between dashes
#: or underscores. Parts of addresses are bounded: in the text of a vendor they would be tried for each colon anew.
KEY = re.compile(
    r"\bsk-(?:ant|or|proj|svcacct)-[\w*.-]{6,}"
    r"|\b(?:sk|pk|r8|gsk|xai)[-_](?=[\w*.-]{0,200}(?:\*|[^\W_]{12}|(?=[^\W_]*\d)[^\W\d_][^\W_]{7}))[\w*.-]{6,}"
    r"|\bkey-(?=[^\W_]*\d)[^\W_]{16,}|\ba[ks]-(?=[^\W_]*[\dA-Z])[^\W_]{12,}"
    r"|(?<=://)[^/\s]{0,256}:[^/\s]{0,256}(?=@)|(?<=Bearer )[\w.~+/=-]{8,}"
)
