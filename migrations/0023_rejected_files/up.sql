-- An import by a URI may read many files: a line is that of one of them.

ALTER TABLE rejected_row ADD COLUMN file text;

COMMENT ON COLUMN rejected_row.file IS 'The file that the line is of, as a URI; none of an upload';

GRANT INSERT (file) ON rejected_row TO datacovey_transfer_worker;
