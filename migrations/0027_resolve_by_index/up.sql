-- Where one dataset has most of all tables, the planner takes any dataset for as large, and reads the whole relation
-- for the few tables of a project. The index of the dataset finds these; a project that does have them all is read by
-- it as fast as without. What the planner believes of its cost would have the statement compiled, for a second.
ALTER FUNCTION resolve_project(uuid) SET enable_seqscan = off;
ALTER FUNCTION resolve_project(uuid) SET jit = off;
