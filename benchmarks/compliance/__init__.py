"""How long the questions of the law take: a verdict, a register of ten million numbers, the counts of a million leads.

Every measured time stands beside a yardstick of the same run, for machines are not equal and seldom alone.
"""
