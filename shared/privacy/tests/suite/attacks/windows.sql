# Conditions of joins beside the equality. Rules: H14.

-- asked by: C
-- leak: a time alone leads from one table's rows to another's
SELECT COUNT(*) FROM web.visits v JOIN web.sales s ON s.at BETWEEN v.at AND v.at + INTERVAL '1 hour'
-- refused: JOIN_KEY

-- asked by: C
-- leak: a measure compared across the tables singles out rows
SELECT COUNT(*) FROM web.visits v JOIN web.sales s ON v.email = s.email AND s.price > v.price
-- refused: COLUMN_USE, COLUMN_USE

-- asked by: C
SELECT COUNT(*) FROM web.visits v JOIN web.sales s ON v.email = s.email AND v.email < s.email
-- refused: COLUMN_USE, COLUMN_USE

-- asked by: C
-- leak: a window that holds for one individual
SELECT COUNT(*) FROM web.visits v JOIN web.sales s ON v.email = s.email AND v.campaign = 'odd' AND s.at > v.at
-- suppressed

-- asked by: C
-- leak: what cannot be added to some moments fails on them
SELECT COUNT(*) FROM web.visits v JOIN web.sales s ON v.email = s.email AND s.at < v.at + INTERVAL '100000 years'
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM clinic.visits WHERE day + INTERVAL '10 years' > DATE '2030-01-01' AND note <> 'fine'
-- suppressed

-- asked by: C
-- leak: an own moment beside each individual, as an edge of its own
SELECT COUNT(*) FROM web.visits v JOIN lists.people p ON v.email = p.email AND v.at > p.device
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
-- leak: steps evaded by a difference
SELECT at - TIMESTAMP '2024-01-01 00:00:00' AS d, COUNT(*) FROM web.stays GROUP BY 1
-- refused: COLUMN_USE

-- asked by: C
SELECT TIMESTAMP_DIFF(at, TIMESTAMP '2024-01-01 00:00:00', DAY) AS d, COUNT(*) FROM web.stays GROUP BY 1
-- refused: COLUMN_USE

-- asked by: C
SELECT DATE_DIFF(at, TIMESTAMP '2024-01-01 00:00:00', DAY) AS d, COUNT(*) FROM web.stays GROUP BY 1
-- refused: COLUMN_USE

-- asked by: C
SELECT COUNT(*) FROM web.stays WHERE at - TIMESTAMP '2024-03-05 10:00:00' < INTERVAL '1 hour'
-- refused: COLUMN_USE

-- asked by: C
-- leak: how long one person stayed away
SELECT date_part('day', s.at - v.at) AS d, COUNT(*) FROM web.visits v JOIN web.sales s ON v.email = s.email AND v.campaign = 'odd' GROUP BY 1
-- suppressed

-- asked by: C
-- leak: a length that the engine counts wrongly is worse than none
SELECT date_part('hour', s.at - v.at) AS h, COUNT(*) FROM web.visits v JOIN web.sales s ON v.email = s.email GROUP BY 1
-- refused: FUNCTION_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM web.visits v JOIN web.sales s ON v.email = s.email AND s.at - v.at < INTERVAL '1 month'
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
-- leak: join by how far moments are apart, and by nothing else
SELECT COUNT(*) FROM web.visits v JOIN web.sales s ON TIMESTAMP_DIFF(s.at, v.at, SECOND) = 0
-- refused: JOIN_KEY

-- asked by: C
-- leak: a moment that each row has its own distance from
SELECT at - now() AS d, COUNT(*) FROM web.visits GROUP BY 1
-- suppressed

-- asked by: C
SELECT at - now() AS d, COUNT(*) FROM web.stays GROUP BY 1
-- refused: COLUMN_USE
