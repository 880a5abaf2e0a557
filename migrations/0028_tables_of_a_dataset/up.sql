-- Where one dataset has most of all tables, a sample of them shows no other dataset. Then the planner takes any dataset
-- for as large, and reads all tables for the two of a project. What a dataset has on average says more.
ALTER TABLE "table" ALTER COLUMN dataset_id SET (n_distinct = -0.05);
ALTER TABLE dataset ALTER COLUMN project_id SET (n_distinct = -0.2);
ANALYZE "table";
ANALYZE dataset;
