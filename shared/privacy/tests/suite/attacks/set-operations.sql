# UNION, EXCEPT and INTERSECT with own rows; what is absent. Rules: H4, H5, H12.

-- asked by: C
-- leak: one more than the table's own count if the person is not in it
SELECT COUNT(*) FROM (SELECT tailnum FROM registry.planes UNION SELECT tailnum FROM lists.suspects) u
-- refused: SET_OPERATION

-- asked by: C
-- leak: own rows hide a count's true value from rounding
SELECT COUNT(*) FROM (SELECT tailnum FROM registry.planes UNION ALL SELECT tailnum FROM lists.suspects) u
-- refused: SET_OPERATION

-- asked by: C
-- leak: a group of too few, filled up with literals
SELECT m, COUNT(*) FROM (SELECT manufacturer AS m FROM registry.planes UNION ALL SELECT 'CESSNA' UNION ALL SELECT 'CESSNA') u GROUP BY m
-- refused: SET_OPERATION

-- asked by: C
-- leak: everybody but the list
SELECT COUNT(*) FROM (SELECT tailnum FROM registry.planes EXCEPT SELECT tailnum FROM lists.suspects) e
-- refused: JOIN_NOT_ALLOWED

-- asked by: C
-- leak: the list but everybody
SELECT COUNT(*) FROM (SELECT tailnum FROM lists.suspects EXCEPT SELECT tailnum FROM registry.planes) e
-- refused: JOIN_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM registry.planes p WHERE NOT EXISTS (SELECT 1 FROM lists.suspects s WHERE s.tailnum = p.tailnum)
-- refused: JOIN_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE tailnum NOT IN (SELECT tailnum FROM lists.suspects)
-- refused: JOIN_NOT_ALLOWED

-- asked by: C
-- leak: the group of NULLs is the complement
SELECT s.tag, COUNT(*) FROM registry.planes p LEFT JOIN lists.suspects s ON p.tailnum = s.tailnum GROUP BY s.tag
-- refused: JOIN_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*), COUNT(p.tailnum) FROM lists.suspects s LEFT JOIN registry.planes p ON p.tailnum = s.tailnum
-- refused: JOIN_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM lists.suspects s FULL JOIN registry.planes p USING (tailnum)
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
SELECT COUNT(*) FROM lists.suspects s LEFT ANTI JOIN registry.planes p ON p.tailnum = s.tailnum
-- refused: JOIN_NOT_ALLOWED

-- asked by: C
-- leak: planned as a plain semi join, which counts otherwise
SELECT COUNT(*) FROM (SELECT tailnum FROM registry.planes INTERSECT ALL SELECT tailnum FROM lists.suspects) i
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
SELECT COUNT(*) FROM (SELECT tailnum FROM registry.planes EXCEPT ALL SELECT tailnum FROM lists.suspects) i
-- refused: CLAUSE_NOT_SUPPORTED

-- asked by: C
-- leak: an intersection with a literal is a look at one individual
SELECT COUNT(*) FROM (SELECT tailnum FROM registry.planes INTERSECT SELECT 'N1') i
-- refused: JOIN_KEY

-- asked by: B
-- leak: two planes of the caller's own in common are fewer than the threshold
SELECT COUNT(*) FROM (SELECT tailnum FROM alliance.flights INTERSECT SELECT tailnum FROM registry.planes WHERE manufacturer = 'CESSNA') o
-- suppressed

-- asked by: C
-- leak: an OR around the test makes it a mark on every row
SELECT COUNT(*) FROM lists.suspects s WHERE s.tag = 'x' OR EXISTS (SELECT 1 FROM registry.planes p WHERE p.tailnum = s.tailnum)
-- refused: SUBQUERY
