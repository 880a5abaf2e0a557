# Expressions that would fail on a row, or that are no function of a dimension.

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE 1 / (year - 1903) > 0
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE year % (year - 1903) = 0
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE sqrt(year - 1904) > 0
-- refused: FUNCTION_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE CAST(model AS INT) > 0 AND repeat(model, 100000000) = ''
-- refused: FUNCTION_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE random() < 0.5
-- refused: FUNCTION_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE now() > '2020-01-01'
-- refused: FUNCTION_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE model ~ '(a+)+$'
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE model LIKE manufacturer
-- refused: EXPRESSION_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE substr(model, year) = ''
-- refused: FUNCTION_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE year = 'not a year'
-- refused: INVALID_LITERAL

-- asked by: C
-- leak: the policy lists three functions
SELECT COUNT(*) FROM acme.customers WHERE substr(city, 1, 1) = 'R'
-- refused: FUNCTION_NOT_ALLOWED

-- asked by: C
SELECT COUNT(*) FROM registry.planes WHERE nosuchfunction(model)
-- refused: INVALID_QUERY
