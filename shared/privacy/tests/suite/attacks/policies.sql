# What each owner says of its table. Rules: H19.

-- asked by: C
SELECT COUNT(*) FROM locked.private
-- refused: UNKNOWN_TABLE

-- asked by: C
SELECT COUNT(*) FROM locked.others
-- refused: UNKNOWN_TABLE

-- asked by: C
SELECT COUNT(*) FROM locked.ghost, locked.specter
-- refused: UNKNOWN_TABLE, UNKNOWN_TABLE

-- asked by: A
SELECT COUNT(*) FROM lists.suspects
-- refused: UNKNOWN_TABLE

-- asked by: C
SELECT COUNT(*) FROM Registry.planes
-- refused: UNKNOWN_TABLE

-- asked by: C
SELECT COUNT(*) FROM planes
-- refused: UNKNOWN_TABLE

-- asked by: C
SELECT COUNT(*) FROM x.registry.planes
-- refused: UNKNOWN_TABLE

-- asked by: C
SELECT COUNT(*) FROM locked.noisy
-- refused: MECHANISM_NOT_AVAILABLE

-- asked by: C
# Budgets and approvals are kept by who runs what compiles.
SELECT COUNT(*) FROM locked.budget
-- suppressed

-- asked by: C
SELECT COUNT(*) FROM locked.approved
-- suppressed

-- asked by: C
SELECT COUNT(*) FROM locked.joined
-- refused: JOIN_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM locked.blocked b JOIN lists.arms a ON a.email = b.email
-- refused: JOIN_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM locked.partners b JOIN lists.arms a ON a.email = b.email
-- refused: JOIN_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM locked.inner b WHERE email IN (SELECT email FROM lists.arms)
-- refused: JOIN_NOT_ALLOWED

-- asked by: C
SELECT COUNT(DISTINCT email) FROM locked.counts
-- refused: AGGREGATE_NOT_ALLOWED

-- asked by: C
-- leak: two tables of one owner
SELECT COUNT(*) FROM acme.customers a JOIN locked.counts b ON a.email = b.email
-- refused: JOIN_NOT_ALLOWED, JOIN_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM acme.customers a JOIN acme.customers b ON a.email = b.email
-- refused: JOIN_NOT_ALLOWED

-- asked by: C
-- leak: sales forbid that another table repeats their rows
SELECT SUM(s.amount) FROM shop.sales s JOIN (SELECT email, city FROM acme.customers UNION ALL SELECT email, city FROM acme.customers) c ON s.email = c.email
-- refused: JOIN_NOT_ALLOWED
