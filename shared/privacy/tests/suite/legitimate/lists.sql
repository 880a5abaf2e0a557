# Own rows that overlap, where the owner of the other table gives leave.

-- asked by: C
SELECT email FROM lists.crm WHERE weight < 16777216 AND email IN (SELECT email FROM cars.renters) ORDER BY email LIMIT 3
-- answered:
| p100@x |
| p101@x |
| p102@x |

-- asked by: C
SELECT * FROM lists.crm c WHERE EXISTS (SELECT 1 FROM cars.renters r WHERE r.email = c.email)
-- equals:
SELECT * FROM lists.crm WHERE email IN (SELECT email FROM cars.renters)

-- asked by: C
SELECT upper(c.arm) AS arm, c.email FROM lists.crm c LEFT SEMI JOIN cars.renters r ON r.email = c.email WHERE c.arm = 'test'
-- equals:
SELECT 'TEST', email FROM lists.crm WHERE email IN (SELECT email FROM cars.renters) AND arm = 'test'

-- asked by: C
SELECT email FROM lists.crm INTERSECT SELECT email FROM cars.renters
-- equals:
SELECT email FROM cars.renters

-- asked by: C
SELECT email, arm FROM lists.crm c WHERE email IN (SELECT email FROM cars.renters) ORDER BY weight DESC, email LIMIT 2 OFFSET 1
-- equals in order:
SELECT email, arm FROM lists.crm c WHERE email IN (SELECT email FROM cars.renters) ORDER BY weight DESC, email LIMIT 2 OFFSET 1

-- asked by: A
SELECT tier, email FROM air.members m WHERE email IN (SELECT email FROM cars.renters)
-- equals:
SELECT tier, email FROM air.members m WHERE email IN (SELECT email FROM cars.renters)

-- asked by: C
# What of them is counted is counted as ever.
SELECT arm, COUNT(*) AS n FROM lists.crm c WHERE email IN (SELECT email FROM cars.renters) GROUP BY arm
-- answered:
| control | 25 |
| test | 25 |
