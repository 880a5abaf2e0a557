# What is computed of each individual's own rows: reach and frequency, cohorts, funnels, first and last touch.

-- asked by: C
# Reach and frequency.
SELECT n, COUNT(*) AS people FROM (SELECT email, COUNT(*) AS n FROM web.visits GROUP BY email) t GROUP BY n
-- equals:
SELECT n, COUNT(*) FROM (SELECT email, COUNT(*) AS n FROM web.visits GROUP BY email) t GROUP BY n HAVING COUNT(*) >= 3

-- asked by: C
SELECT LEAST(n, 12) AS n, COUNT(*) AS people, SUM(n) AS visits, AVG(c) AS campaigns
FROM (SELECT email, COUNT(*) AS n, COUNT(DISTINCT campaign) AS c FROM web.visits GROUP BY email) t GROUP BY LEAST(n, 12)
-- equals:
SELECT LEAST(n, 12), COUNT(*), SUM(n), AVG(c)
FROM (SELECT email, COUNT(*) AS n, COUNT(DISTINCT campaign) AS c FROM web.visits GROUP BY email) t GROUP BY 1 HAVING COUNT(*) >= 3

-- asked by: C
SELECT campaign, COUNT(*) AS people, SUM(n) AS visits FROM (SELECT email, campaign, COUNT(*) AS n FROM web.visits GROUP BY email, campaign) t
WHERE n BETWEEN 2 AND 5 GROUP BY campaign
-- equals:
SELECT campaign, COUNT(*), SUM(n) FROM (SELECT email, campaign, COUNT(*) AS n FROM web.visits GROUP BY email, campaign) t
WHERE n BETWEEN 2 AND 5 GROUP BY campaign HAVING COUNT(*) >= 3

-- asked by: C
# Cohorts by the month of the first visit, and how long they stay.
SELECT date_trunc('month', f) AS cohort, (l - f) / 30 AS months, COUNT(*) AS people
FROM (SELECT email, MIN(day) AS f, MAX(day) AS l FROM web.visits GROUP BY email) t GROUP BY 1, 2
-- equals:
SELECT date_trunc('month', f), (l - f) / 30, COUNT(*)
FROM (SELECT email, MIN(day) AS f, MAX(day) AS l FROM web.visits GROUP BY email) t GROUP BY 1, 2 HAVING COUNT(*) >= 3

-- asked by: C
# A funnel by flags.
SELECT f.search, f.mail, COUNT(*) AS people FROM (
  SELECT email, MAX(CASE WHEN campaign = 'search' THEN 1 ELSE 0 END) AS search, bool_or(campaign = 'mail' AND device = 'phone') AS mail
  FROM web.visits GROUP BY email) f GROUP BY f.search, f.mail
-- equals:
SELECT search, mail, COUNT(*) FROM (
  SELECT email, MAX(CASE WHEN campaign = 'search' THEN 1 ELSE 0 END) AS search, bool_or(campaign = 'mail' AND device = 'phone') AS mail
  FROM web.visits GROUP BY email) f GROUP BY 1, 2 HAVING COUNT(*) >= 3

-- asked by: C
SELECT COUNT(DISTINCT email) AS people, COUNT(DISTINCT CASE WHEN campaign = 'mail' THEN email END) AS mailed FROM web.visits WHERE campaign <> 'odd' AND day < DATE '2024-02-01'
-- equals:
SELECT COUNT(DISTINCT email), COUNT(DISTINCT CASE WHEN campaign = 'mail' THEN email END) FROM web.visits WHERE campaign <> 'odd' AND day < DATE '2024-02-01'

-- asked by: C
# First and last touch.
SELECT f, l, COUNT(*) AS people FROM (
  SELECT email, first_value(campaign ORDER BY at) AS f, last_value(campaign ORDER BY at) AS l FROM web.visits GROUP BY email) t GROUP BY f, l
-- equals:
SELECT f, l, COUNT(*) FROM (
  SELECT email, first_value(campaign ORDER BY at) AS f, last_value(campaign ORDER BY at) AS l FROM web.visits GROUP BY email) t GROUP BY f, l HAVING COUNT(*) >= 3

-- asked by: C
# Measures of each individual are measures.
SELECT c, COUNT(*) AS people, SUM(s) AS total, AVG(s) AS mean, SUM(p) AS pages, SUM(m) AS dearest, STDDEV(s) AS spread
FROM (SELECT email, COUNT(DISTINCT campaign) AS c, SUM(price) AS s, COUNT(pages) AS p, MAX(price) AS m FROM web.visits GROUP BY email) t GROUP BY c
-- equals:
SELECT c, COUNT(*), SUM(s), AVG(s), SUM(p), SUM(m), STDDEV(s)
FROM (SELECT email, COUNT(DISTINCT campaign) AS c, SUM(price) AS s, COUNT(pages) AS p, MAX(price) AS m FROM web.visits GROUP BY email) t GROUP BY c HAVING COUNT(*) >= 3

-- asked by: C
SELECT AVG(a) AS a, AVG(w) AS w, SUM(g) AS g FROM (SELECT email, AVG(price) AS a, AVG(weight) AS w, SUM(weight) AS g FROM web.visits GROUP BY email) t
-- equals:
SELECT AVG(ROUND(a, 6)), AVG(ROUND(w, 6)), SUM(g) FROM (SELECT email, AVG(CAST(price AS DOUBLE)) AS a, AVG(weight) AS w, SUM(weight) AS g FROM web.visits GROUP BY email) t

-- asked by: C
# Those with many pages; the measure may be filtered.
SELECT COUNT(*) AS people FROM (SELECT email FROM web.visits GROUP BY email HAVING SUM(pages) > 20) t
-- equals:
SELECT COUNT(*) FROM (SELECT email FROM web.visits GROUP BY email HAVING SUM(pages) > 20) t

-- asked by: C
# Two tables, one row for each who is in both.
SELECT n, COUNT(*) AS people FROM (SELECT v.email, COUNT(DISTINCT s.product) AS n FROM web.visits v JOIN web.sales s ON v.email = s.email GROUP BY v.email) t GROUP BY n
-- equals:
SELECT n, COUNT(*) FROM (SELECT v.email, COUNT(DISTINCT s.product) AS n FROM web.visits v JOIN web.sales s ON v.email = s.email GROUP BY v.email) t GROUP BY n HAVING COUNT(*) >= 3

-- asked by: C
# What was counted of each is joined.
SELECT s.product, COUNT(*) AS buyers, SUM(v.n) AS visits FROM (SELECT email, COUNT(*) AS n FROM web.visits GROUP BY email) v
JOIN (SELECT DISTINCT email, product FROM web.sales) s ON v.email = s.email GROUP BY s.product
-- equals:
SELECT s.product, COUNT(*), SUM(v.n) FROM (SELECT email, COUNT(*) AS n FROM web.visits GROUP BY email) v
JOIN (SELECT DISTINCT email, product FROM web.sales) s ON v.email = s.email GROUP BY s.product HAVING COUNT(*) >= 3

-- asked by: C
# A dimension looked up, and the least of it.
SELECT r, COUNT(*) AS planes FROM (SELECT f.tailnum, MIN(a.region) AS r FROM alliance.flights f JOIN public.airports a ON f.origin = a.faa GROUP BY f.tailnum) t GROUP BY r
-- equals:
SELECT r, COUNT(*) FROM (SELECT f.tailnum, MIN(a.region) AS r FROM alliance.flights f JOIN public.airports a ON f.origin = a.faa WHERE f.tailnum IS NOT NULL GROUP BY f.tailnum) t
GROUP BY r HAVING COUNT(*) >= 3

-- asked by: C
# Conditions as CASE, for each individual.
SELECT mails, COUNT(*) AS people, SUM(s) AS spent FROM (
  SELECT email, LEAST(SUM(CASE WHEN campaign = 'mail' THEN 1 ELSE 0 END), 3) AS mails, SUM(CASE WHEN campaign = 'mail' THEN price END) AS s FROM web.visits GROUP BY email) t
WHERE mails > 0 GROUP BY mails
-- equals:
SELECT mails, COUNT(*), SUM(s) FROM (
  SELECT email, LEAST(SUM(CASE WHEN campaign = 'mail' THEN 1 ELSE 0 END), 3) AS mails, SUM(CASE WHEN campaign = 'mail' THEN price END) AS s FROM web.visits GROUP BY email) t
WHERE mails > 0 GROUP BY mails HAVING COUNT(*) >= 3

-- asked by: C
# Who adds nothing has 0: he counts in the mean, and in the number.
SELECT COUNT(*) AS people, COUNT(s) AS n, SUM(s) AS s, AVG(s) AS a FROM (SELECT email, SUM(CASE WHEN campaign = 'mail' THEN price ELSE 0 END) AS s FROM web.visits WHERE campaign <> 'odd' GROUP BY email) t
-- equals:
SELECT COUNT(*) AS people, COUNT(s) AS n, SUM(s) AS s, AVG(s) AS a FROM (SELECT email, SUM(CASE WHEN campaign = 'mail' THEN price ELSE 0 END) AS s FROM web.visits WHERE campaign <> 'odd' GROUP BY email) t

-- asked by: C
SELECT v, COUNT(*) AS n, SUM(desk) AS desk, SUM(phone) AS phone FROM (
  SELECT email, COUNT(*) AS v, SUM(CASE device WHEN 'desk' THEN pages ELSE 0 END) AS desk, SUM(CASE device WHEN 'phone' THEN pages ELSE 0 END) AS phone FROM web.visits WHERE device <> 'odd' GROUP BY email) t GROUP BY v HAVING COUNT(*) > 5
-- equals:
SELECT v, COUNT(*), SUM(desk), SUM(phone) FROM (
  SELECT email, COUNT(*) AS v, SUM(CASE device WHEN 'desk' THEN pages ELSE 0 END) AS desk, SUM(CASE device WHEN 'phone' THEN pages ELSE 0 END) AS phone FROM web.visits WHERE device <> 'odd' GROUP BY email) t GROUP BY v
HAVING COUNT(*) > 5 AND COUNT(*) FILTER (WHERE desk = 0 OR desk IS NULL) NOT IN (1, 2) AND COUNT(*) FILTER (WHERE phone = 0 OR phone IS NULL) NOT IN (1, 2)

-- asked by: C
SELECT AVG(s) AS a, STDDEV(s) AS d FROM (SELECT email, SUM(CASE WHEN day >= DATE '2024-02-01' THEN weight ELSE 0.0 END) FILTER (WHERE device = 'desk') AS s FROM web.visits GROUP BY email) t
-- equals:
SELECT AVG(s) AS a, STDDEV(s) AS d FROM (SELECT email, SUM(CASE WHEN day >= DATE '2024-02-01' THEN weight ELSE 0.0 END) FILTER (WHERE device = 'desk') AS s FROM web.visits GROUP BY email) t
