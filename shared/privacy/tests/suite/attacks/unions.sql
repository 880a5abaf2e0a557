# Unions: cells too small, own rows, rows below a threshold hidden in another table's. Rules: H4, H5.

-- asked by: C
-- leak: the reach of two tables is that of one and of those who are not in it: of one person here
SELECT COUNT(*) FROM (SELECT email FROM air.members WHERE tier = 'black' UNION SELECT email FROM cars.renters) u
-- suppressed

-- asked by: C
-- leak: a cell of nobody is told by two totals and the reach
SELECT COUNT(*) FROM (SELECT email FROM air.members WHERE tier = 'gold' UNION SELECT email FROM air.members WHERE tier = 'blue') u
-- refused: JOIN_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM (SELECT email FROM acme.customers UNION SELECT email FROM clinic.visits) u
-- suppressed

-- asked by: C
-- leak: one of the caller's own hidden in a branch
SELECT COUNT(*) FROM (SELECT email FROM air.members WHERE email IN (SELECT email FROM lists.one) UNION SELECT email FROM hotel.guests) u
-- suppressed

-- asked by: C
-- leak: the cell beside the one of a single person
SELECT a, b, COUNT(*) FROM (SELECT email, MAX(a) AS a, MAX(b) AS b FROM
  (SELECT email, 1 AS a, 0 AS b FROM air.members UNION ALL SELECT email, 0, 1 FROM hotel.guests WHERE email IN (SELECT email FROM lists.one)) u GROUP BY email) p GROUP BY a, b
-- suppressed

-- asked by: C
-- leak: own rows in a union of others'
SELECT COUNT(*) FROM (SELECT email FROM air.members UNION SELECT email FROM lists.one) u
-- refused: SET_OPERATION

-- asked by: C
SELECT COUNT(*) FROM (SELECT email FROM air.members UNION ALL SELECT 'p5@x') u
-- refused: SET_OPERATION

-- asked by: A
-- leak: the analyst's own table is own rows as well
SELECT COUNT(*) FROM (SELECT email FROM air.members UNION SELECT email FROM hotel.guests) u
-- refused: SET_OPERATION

-- asked by: C
SELECT a, b, COUNT(*) FROM (SELECT email, MAX(a) AS a, MAX(b) AS b FROM
  (SELECT email, 1 AS a, 0 AS b FROM air.members UNION ALL SELECT email, 0, 1 FROM lists.one) u GROUP BY email) p GROUP BY a, b
-- refused: SET_OPERATION

-- asked by: C
-- leak: released rows among rows
SELECT COUNT(*) FROM (SELECT tier FROM air.members UNION ALL SELECT tier FROM (SELECT tier, COUNT(*) AS n FROM air.members GROUP BY tier) t) u
-- refused: SET_OPERATION

-- asked by: C
-- leak: a cell chosen below the release
SELECT COUNT(*) FROM (SELECT email, MAX(a) AS a, MAX(b) AS b FROM
  (SELECT email, 1 AS a, 0 AS b FROM air.members UNION ALL SELECT email, 0, 1 FROM hotel.guests) u GROUP BY email) p WHERE a = 1 AND b = 0
-- refused: ABSENCE, ABSENCE

-- asked by: C
SELECT COUNT(*) FROM (SELECT email FROM (SELECT email, 1 AS a FROM air.members UNION ALL SELECT email, 0 FROM hotel.guests) u GROUP BY email HAVING MAX(a) = 0) p
-- refused: ABSENCE

-- asked by: C
-- leak: a name for several cells at once, one of them of one person
SELECT a + b AS tables, COUNT(*) FROM (SELECT email, MAX(a) AS a, MAX(b) AS b FROM
  (SELECT email, 1 AS a, 0 AS b FROM air.members UNION ALL SELECT email, 0, 1 FROM hotel.guests WHERE email IN (SELECT email FROM lists.one)) u GROUP BY email) p GROUP BY 1
-- suppressed

-- asked by: C
-- leak: a minimum names who is in one table only
SELECT s, COUNT(*) FROM (SELECT email, MIN(s) AS s FROM (SELECT email, 1 AS s FROM air.members WHERE tier = 'black' UNION ALL SELECT email, 0 FROM hotel.guests) u GROUP BY email) p GROUP BY s
-- suppressed

-- asked by: C
-- leak: a group of one person hidden under another table's group of the same name
SELECT t, COUNT(*) FROM (SELECT tier AS t FROM air.members WHERE tier = 'black' UNION ALL SELECT 'black' FROM hotel.guests) u GROUP BY t
-- suppressed

-- asked by: C
-- leak: a sum that is zero for one table and one person's for the other
SELECT SUM(x) FROM (SELECT clicks AS x FROM acme.customers UNION ALL SELECT points FROM shop.members WHERE email IN (SELECT email FROM lists.one)) u
-- suppressed

-- asked by: C
-- leak: a set within a bag
SELECT COUNT(*) FROM (SELECT email FROM (SELECT email FROM air.members UNION SELECT email FROM hotel.guests) a UNION ALL SELECT email FROM cars.renters) u
-- refused: SET_OPERATION

-- asked by: C
-- leak: a person with several values is in several rows
SELECT COUNT(*) FROM (SELECT email, tier FROM air.members UNION SELECT email, country FROM hotel.guests) u
-- refused: SET_OPERATION

-- asked by: C
-- leak: a join column of one branch is a dimension of the other
SELECT COUNT(*) FROM (SELECT email FROM air.members UNION ALL SELECT country FROM hotel.guests) u
-- refused: SET_OPERATION

-- asked by: C
SELECT k, COUNT(*) FROM (SELECT tier AS k FROM air.members UNION ALL SELECT email FROM hotel.guests) u GROUP BY k
-- refused: SET_OPERATION

-- asked by: C
-- leak: two identities in one column
SELECT COUNT(*) FROM (SELECT email FROM air.members UNION SELECT tailnum FROM registry.planes) u
-- refused: SET_OPERATION

-- asked by: C
-- leak: a measure as a dimension
SELECT x, COUNT(*) FROM (SELECT points AS x FROM air.members UNION ALL SELECT nights FROM hotel.guests) u GROUP BY x
-- refused: COLUMN_USE

-- asked by: C
SELECT email, COUNT(*) FROM (SELECT email FROM air.members UNION ALL SELECT email FROM hotel.guests) u GROUP BY email
-- refused: AGGREGATE_NOT_ALLOWED

-- asked by: C
-- leak: in how many tables a person is, as a number to be grouped by
SELECT n, COUNT(*) FROM (SELECT email, SUM(a) AS n FROM (SELECT email, 1 AS a FROM air.members UNION ALL SELECT email, 1 FROM hotel.guests) u GROUP BY email) p GROUP BY n
-- refused: AGGREGATE_NOT_ALLOWED

-- asked by: C
SELECT email FROM air.members UNION SELECT email FROM hotel.guests
-- refused: ROW_OUTPUT

-- asked by: C
SELECT COUNT(*) FROM lists.one o WHERE o.email IN (SELECT email FROM air.members UNION ALL SELECT email FROM hotel.guests)
-- refused: SET_OPERATION

-- asked by: C
SELECT COUNT(*) FROM lists.crm c WHERE c.email NOT IN (SELECT email FROM air.members UNION SELECT email FROM hotel.guests)
-- refused: SET_OPERATION

-- asked by: C
-- leak: absence within a branch
SELECT COUNT(*) FROM (SELECT email FROM air.members EXCEPT SELECT email FROM lists.one UNION ALL SELECT email FROM hotel.guests) u
-- refused: ABSENCE

-- asked by: C
-- leak: sums of the individuals of a union are no sums of rows
SELECT SUM(a) FROM (SELECT email, MAX(a) AS a FROM (SELECT email, 1 AS a FROM air.members UNION ALL SELECT email, 0 FROM hotel.guests) u GROUP BY email) p
-- refused: COLUMN_USE

-- asked by: C
-- leak: the owner of one blocks joins
SELECT COUNT(*) FROM (SELECT email FROM air.members UNION SELECT email FROM locked.blocked) u
-- refused: JOIN_NOT_ALLOWED, JOIN_NOT_ALLOWED

-- asked by: C
SELECT email, 1 AS a FROM air.members UNION ALL SELECT email, 0 FROM hotel.guests ORDER BY a LIMIT 3
-- refused: BELOW_RELEASE

# Joins of unions, and what is distinct of them.

-- asked by: C
-- leak: one person of a branch, chosen by a list
SELECT COUNT(*) FROM (SELECT email FROM air.members UNION ALL SELECT email FROM hotel.guests) u JOIN lists.one o ON u.email = o.email
-- suppressed

-- asked by: C
SELECT SUM(x) FROM (SELECT email, points AS x FROM air.members UNION ALL SELECT email, nights FROM hotel.guests) u WHERE email IN (SELECT email FROM lists.one)
-- suppressed

-- asked by: C
-- leak: a list that repeats its keys weighs individuals of a union as well (H1, H3)
SELECT COUNT(*) FROM (SELECT email FROM air.members UNION ALL SELECT email FROM hotel.guests) u JOIN lists.thrice t ON u.email = t.email
-- refused: NOT_UNIQUE

-- asked by: C
-- leak: a union of own lists is not unique, however unique its branches are
SELECT COUNT(*) FROM air.members m JOIN (SELECT email FROM lists.crm UNION ALL SELECT email FROM lists.one) l ON m.email = l.email
-- refused: NOT_UNIQUE

-- asked by: C
-- leak: own numbers as weights (H2)
SELECT SUM(c.weight) FROM (SELECT email FROM air.members UNION ALL SELECT email FROM hotel.guests) u JOIN lists.crm c ON u.email = c.email
-- refused: COLUMN_USE

-- asked by: C
-- leak: who is in neither branch, and so in none
SELECT COUNT(*) FROM lists.crm c WHERE c.email NOT IN (SELECT email FROM air.members UNION ALL SELECT email FROM hotel.guests)
-- refused: SET_OPERATION

-- asked by: C
-- leak: own rows kept beside a union
SELECT COUNT(*), COUNT(u.email) FROM lists.crm c LEFT JOIN (SELECT email FROM air.members UNION ALL SELECT email FROM hotel.guests) u ON u.email = c.email
-- refused: SET_OPERATION

-- asked by: C
-- leak: rows of a union that a list does not have: all but one
SELECT COUNT(*) FROM (SELECT email FROM air.members UNION ALL SELECT email FROM hotel.guests) u WHERE u.email NOT IN (SELECT email FROM lists.one)
-- refused: SET_OPERATION

-- asked by: C
SELECT COUNT(*) FROM lists.crm c WHERE c.email IN (SELECT email FROM air.members UNION ALL SELECT email FROM hotel.guests)
-- refused: SET_OPERATION

-- asked by: C
-- leak: unions of both sides
SELECT COUNT(*) FROM (SELECT email FROM air.members UNION ALL SELECT email FROM hotel.guests) a JOIN (SELECT email FROM cars.renters UNION ALL SELECT email FROM acme.customers) b ON a.email = b.email
-- refused: SET_OPERATION

-- asked by: C
-- leak: rows of a table whose owner accepts no repetition, once for each branch
SELECT SUM(s.amount) FROM (SELECT email FROM air.members UNION ALL SELECT email FROM cars.renters) u JOIN shop.sales s ON u.email = s.email
-- refused: JOIN_NOT_ALLOWED

-- asked by: C
-- leak: kinds of joins that an owner does not admit, in one branch of two
SELECT COUNT(*) FROM (SELECT email FROM locked.inner UNION ALL SELECT email FROM hotel.guests) u WHERE email IN (SELECT email FROM lists.crm)
-- refused: JOIN_NOT_ALLOWED

-- asked by: C
-- leak: a table whose owner names whom it may be joined with
SELECT COUNT(*) FROM (SELECT email FROM locked.partners UNION ALL SELECT email FROM hotel.guests) u JOIN lists.crm c ON u.email = c.email
-- refused: JOIN_NOT_ALLOWED

-- asked by: C
-- leak: a table that blocks joins
SELECT COUNT(*) FROM (SELECT email FROM locked.blocked UNION ALL SELECT email FROM hotel.guests) u JOIN lists.crm c ON u.email = c.email
-- refused: JOIN_NOT_ALLOWED

-- asked by: C
-- leak: columns of other identities
SELECT COUNT(*) FROM (SELECT email FROM acme.customers UNION ALL SELECT email FROM hotel.guests) u JOIN telco.lines l ON u.email = l.phone
-- refused: JOIN_KEY

-- asked by: C
-- leak: one person of two tables distinct, the rest known (H4)
SELECT COUNT(DISTINCT email) FROM (SELECT email FROM air.members WHERE tier = 'black' UNION ALL SELECT email FROM cars.renters) u
-- suppressed

-- asked by: C
SELECT COUNT(DISTINCT email) FROM (SELECT email FROM acme.customers UNION ALL SELECT email FROM clinic.visits) u
-- suppressed

-- asked by: C
-- leak: own rows among the distinct (H4)
SELECT COUNT(DISTINCT email) FROM (SELECT email FROM air.members UNION ALL SELECT email FROM lists.one) u
-- refused: SET_OPERATION

-- asked by: C
SELECT COUNT(DISTINCT email) FROM (SELECT email FROM air.members UNION ALL SELECT 'p5@x') u
-- refused: SET_OPERATION

-- asked by: C
-- leak: rows and individuals side by side tell how many are in both
SELECT COUNT(*), COUNT(DISTINCT email) FROM (SELECT email FROM air.members UNION ALL SELECT email FROM hotel.guests) u
-- refused: SET_OPERATION

-- asked by: C
-- leak: groups in several of which an individual can be
SELECT kind, COUNT(DISTINCT email) FROM (SELECT email, tier AS kind FROM air.members UNION ALL SELECT email, country FROM hotel.guests) u GROUP BY kind
-- refused: SET_OPERATION

-- asked by: C
-- leak: a key that is not every branch's individual
SELECT COUNT(DISTINCT email) FROM (SELECT email FROM bank.accounts UNION ALL SELECT email FROM air.members) u
-- refused: SET_OPERATION

-- asked by: C
SELECT COUNT(DISTINCT email) FILTER (WHERE kind = 'gold') FROM (SELECT email, tier AS kind FROM air.members UNION ALL SELECT email, country FROM hotel.guests) u
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
-- leak: a cell of a list of one
SELECT COUNT(*) FROM (SELECT email FROM air.members UNION SELECT email FROM hotel.guests) u WHERE email IN (SELECT email FROM lists.one)
-- suppressed

-- asked by: C
SELECT COUNT(*) FROM (SELECT email FROM air.members UNION SELECT email FROM hotel.guests) u WHERE email NOT IN (SELECT email FROM lists.one)
-- refused: SET_OPERATION

-- asked by: C
-- leak: whether one person is in a branch that all others of the list are not in: its absence alone would tell (H4)
SELECT COUNT(*) FROM (SELECT email FROM air.members UNION ALL SELECT email FROM hotel.guests) u WHERE email IN (SELECT email FROM lists.thrice)
-- suppressed

-- asked by: C
SELECT COUNT(*) FROM (SELECT email FROM air.members WHERE email IN (SELECT email FROM lists.thrice) UNION ALL SELECT email FROM hotel.guests WHERE email IN (SELECT email FROM lists.thrice)) u
-- suppressed

-- asked by: C
SELECT kind, COUNT(*) FROM (SELECT tier AS kind FROM air.members UNION ALL SELECT 'gold' FROM hotel.guests WHERE email IN (SELECT email FROM lists.one)) u GROUP BY kind
-- suppressed

-- asked by: C
-- leak: the same, of a group that a constant seems to tell apart
SELECT origin, COUNT(*) FROM (SELECT email, 'one' AS origin FROM air.members UNION ALL SELECT email, 'one' FROM hotel.guests) u WHERE email IN (SELECT email FROM lists.thrice) GROUP BY origin
-- suppressed

-- asked by: C
SELECT upper(origin) AS o, COUNT(*) FROM (SELECT email, 'one' AS origin FROM air.members UNION ALL SELECT email, 'ONE' FROM hotel.guests) u WHERE email IN (SELECT email FROM lists.thrice) GROUP BY 1
-- suppressed

-- asked by: C
-- leak: who has something of a column, counted as all
SELECT COUNT(p) FROM (SELECT email, MAX(product) AS p FROM (SELECT email, NULL AS product FROM web.visits UNION ALL SELECT email, product FROM web.sales) u GROUP BY email) t
-- refused: SET_OPERATION

-- asked by: C
SELECT COUNT(DISTINCT class) FROM (SELECT email, MAX(class) AS class FROM (SELECT email, class FROM cars.renters UNION ALL SELECT email, NULL FROM air.members) u GROUP BY email) t
-- refused: AGGREGATE_NOT_ALLOWED
