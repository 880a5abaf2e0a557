# Attribution: what one table's row is, within a time, to another's.

-- asked by: C
SELECT v.campaign, COUNT(*) AS n, SUM(s.price) AS value FROM web.visits v JOIN web.sales s ON v.email = s.email AND s.at >= v.at AND s.at < v.at + INTERVAL '14 days'
GROUP BY v.campaign
-- equals:
SELECT v.campaign, COUNT(*), SUM(s.price) FROM web.visits v JOIN web.sales s ON v.email = s.email AND s.at >= v.at AND s.at < v.at + INTERVAL '14 days'
GROUP BY v.campaign HAVING COUNT(DISTINCT v.email) >= 3

-- asked by: C
SELECT v.campaign, COUNT(DISTINCT s.email) AS buyers FROM web.visits v JOIN web.sales s ON v.email = s.email AND s.day - v.day BETWEEN 0 AND 7 GROUP BY v.campaign
-- equals:
SELECT v.campaign, COUNT(DISTINCT s.email) FROM web.visits v JOIN web.sales s ON v.email = s.email AND s.day - v.day BETWEEN 0 AND 7 GROUP BY v.campaign HAVING COUNT(DISTINCT v.email) >= 3

-- asked by: C
SELECT v.device, COUNT(*) AS n FROM web.visits v
WHERE EXISTS (SELECT 1 FROM web.sales s WHERE s.email = v.email AND s.at > v.at AND s.at - INTERVAL '1 month' <= v.at AND s.product = 'pen') GROUP BY v.device
-- equals:
SELECT v.device, COUNT(*) FROM web.visits v
WHERE EXISTS (SELECT 1 FROM web.sales s WHERE s.email = v.email AND s.at > v.at AND s.at - INTERVAL '1 month' <= v.at AND s.product = 'pen') GROUP BY v.device
HAVING COUNT(DISTINCT v.email) >= 3

-- asked by: C
# The last campaign that a buyer saw before buying.
SELECT touch, COUNT(*) AS buyers FROM (
  SELECT s.email, last_value(v.campaign ORDER BY v.at) AS touch FROM web.sales s JOIN web.visits v ON v.email = s.email AND v.at <= s.at GROUP BY s.email) t GROUP BY touch
-- equals:
SELECT touch, COUNT(*) FROM (
  SELECT s.email, last_value(v.campaign ORDER BY v.at) AS touch FROM web.sales s JOIN web.visits v ON v.email = s.email AND v.at <= s.at GROUP BY s.email) t GROUP BY touch HAVING COUNT(*) >= 3

-- asked by: C
# Days from the first visit to the first sale.
SELECT LEAST(GREATEST((s.d - v.d) / 14, -1), 4) AS fortnights, COUNT(*) AS people FROM (SELECT email, MIN(day) AS d FROM web.visits GROUP BY email) v
JOIN (SELECT email, MIN(day) AS d FROM web.sales GROUP BY email) s ON v.email = s.email GROUP BY 1
-- equals:
SELECT LEAST(GREATEST((s.d - v.d) / 14, -1), 4), COUNT(*) FROM (SELECT email, MIN(day) AS d FROM web.visits GROUP BY email) v
JOIN (SELECT email, MIN(day) AS d FROM web.sales GROUP BY email) s ON v.email = s.email GROUP BY 1 HAVING COUNT(*) >= 3
