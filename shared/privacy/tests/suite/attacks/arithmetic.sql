# Arithmetic that would carry one individual's number, bins and steps that are finer than their owner's. Rules: H7, H8, H10, H13.

-- asked by: C
-- leak: beside a large sum, the digits of one that would not leave alone (H8, H10)
SELECT SUM(price * 1000000 + gift) FROM web.visits
-- suppressed

-- asked by: C
SELECT AVG(gift - price * 1000000) FROM web.visits
-- suppressed

-- asked by: C
-- leak: a sum that rests on one individual, below a large one (H7)
SELECT SUM(price * 1000 + won) FROM web.visits
-- suppressed

-- asked by: C
-- leak: a literal that is added counts the rows, whatever counts are rounded to
SELECT SUM(pages + 1) FROM web.visits
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
SELECT SUM((price + 1) * (price - 1)) FROM web.visits
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
-- leak: nothing but the rows in which a measure is there
SELECT SUM(pages * 0) FROM web.visits
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
-- leak: a power makes the largest value stand out
SELECT SUM(gift * gift * gift) FROM web.visits
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
SELECT SUM(x * gift) FROM (SELECT gift * gift AS x, gift FROM web.visits) t
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
-- leak: comparisons and quotients single out rows (H8)
SELECT SUM(GREATEST(price, 20) - 20) FROM web.visits
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
SELECT SUM(price / pages) FROM web.visits
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
SELECT SUM(CASE WHEN price > 20 THEN price END) FROM web.visits
-- refused: COLUMN_USE

-- asked by: C
SELECT SUM(NULLIF(gift, 0)), SUM(exp(gift)), SUM(gift % 2) FROM web.visits
-- refused: EXPRESSION_NOT_ALLOWED, EXPRESSION_NOT_ALLOWED, EXPRESSION_NOT_ALLOWED

-- asked by: C
-- leak: an ELSE that is small (H8)
SELECT SUM(CASE WHEN campaign = 'odd' THEN price ELSE 0.0001 END) FROM web.visits
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
-- leak: an ELSE that is nothing, for all but one
SELECT SUM(CASE WHEN campaign = 'odd' THEN price ELSE 0 END) FROM web.visits
-- suppressed

-- asked by: C
SELECT COUNT(*), SUM(CASE WHEN campaign <> 'odd' THEN 1 ELSE 0 END) FROM web.visits
-- suppressed

-- asked by: C
-- leak: rows in which one more measure is NULL (H13)
SELECT SUM(price) AS a, SUM(CASE WHEN campaign <> 'odd' THEN price * 1 END) AS b FROM web.visits
-- suppressed

-- asked by: C
-- leak: measures of two owners weigh each other
SELECT SUM(v.pages * s.price) FROM web.visits v JOIN web.sales s ON v.email = s.email
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
-- leak: the other owner's policy lets nothing be computed
SELECT SUM(price * 2) FROM web.sales
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
SELECT SUM(x) FROM (SELECT price * 2 AS x FROM web.sales) t
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
-- leak: a computed measure is a measure
SELECT x, COUNT(*) FROM (SELECT price * 2 AS x FROM web.visits) t GROUP BY x
-- refused: COLUMN_USE

-- asked by: C
SELECT COUNT(*) FROM (SELECT price * 2 AS x FROM web.visits) t WHERE x > 3
-- refused: COLUMN_USE

-- asked by: C
-- leak: bins that are finer, or shifted against the owner's
SELECT floor(price / 2) * 2 AS bin, COUNT(*) FROM web.visits GROUP BY 1
-- refused: COLUMN_USE

-- asked by: C
SELECT floor((price + 1) / 5) AS bin, COUNT(*) FROM web.visits GROUP BY 1
-- refused: COLUMN_USE

-- asked by: C
SELECT floor(price / 7) AS bin, COUNT(*) FROM web.visits GROUP BY 1
-- refused: COLUMN_USE

-- asked by: C
SELECT floor(weight / 5) AS bin, COUNT(*) FROM web.visits GROUP BY 1
-- refused: COLUMN_USE

-- asked by: C
SELECT round(CAST(price AS DOUBLE)) AS bin, COUNT(*) FROM web.visits GROUP BY 1
-- refused: COLUMN_USE

-- asked by: C
-- leak: bins are of rows, not of what each individual's rows add up to
SELECT floor(s / 5) AS bin, COUNT(*) FROM (SELECT email, SUM(price) AS s FROM web.visits GROUP BY email) t GROUP BY 1
-- refused: COLUMN_USE

-- asked by: C
-- leak: finer than the least step
SELECT date_trunc('day', at) AS d, COUNT(*) FROM web.stays GROUP BY 1
-- refused: COLUMN_USE

-- asked by: C
SELECT at, COUNT(*) FROM web.stays GROUP BY at
-- refused: COLUMN_USE

-- asked by: C
SELECT COUNT(*) FROM web.stays WHERE at < TIMESTAMP '2024-02-03 04:05:06'
-- refused: COLUMN_USE

-- asked by: C
SELECT date_part('day', at) AS d, COUNT(*) FROM web.stays GROUP BY 1
-- refused: COLUMN_USE

-- asked by: C
SELECT CAST(at AS DATE) AS d, COUNT(*) FROM web.stays GROUP BY 1
-- refused: COLUMN_USE

-- asked by: C
-- leak: a moment that is moved is cut elsewhere
SELECT date_trunc('month', at + INTERVAL '3 days') AS d, COUNT(*) FROM web.stays GROUP BY 1
-- refused: COLUMN_USE

-- asked by: C
-- leak: a month within a week is a part of the week
SELECT date_trunc('week', day) AS w, date_trunc('month', day) AS m, COUNT(*) FROM web.stays GROUP BY 1, 2
-- refused: COLUMN_USE

-- asked by: C
SELECT size, COUNT(*) FROM web.stays GROUP BY size
-- refused: COLUMN_USE

-- asked by: C
SELECT size / 5 AS s, COUNT(*) FROM web.stays GROUP BY 1
-- refused: COLUMN_USE

-- asked by: C
SELECT COUNT(*) FROM web.stays WHERE size % 10 = 3
-- refused: COLUMN_USE

-- asked by: C
-- leak: the step is not lost on the way
SELECT x, COUNT(*) FROM (SELECT at AS x FROM web.stays) t GROUP BY x
-- refused: COLUMN_USE

-- asked by: C
SELECT f, COUNT(*) FROM (SELECT email, MIN(at) AS f FROM web.stays GROUP BY email) t GROUP BY f
-- refused: COLUMN_USE

-- asked by: C
SELECT COUNT(DISTINCT at) FROM web.stays
-- refused: COLUMN_USE

-- asked by: C
SELECT COUNT(*) FROM web.visits v JOIN web.stays s ON v.email = s.email AND s.at > v.at
-- refused: COLUMN_USE
