-- The sweep takes its candidates by day and account in the index's own order: with the day alone each batch sorted
-- all that one day holds.
DROP INDEX segments_due;
CREATE INDEX segments_due ON segments (due_on, account_id) WHERE erased_at IS NULL;

-- A turn dates the segments of its conversation anew, mostly within the day they have. Where a page has room that
-- touches no index: measured, 98 in 100 of such updates at 90, none in a freshly filled page.
ALTER TABLE segments SET (fillfactor = 90);
