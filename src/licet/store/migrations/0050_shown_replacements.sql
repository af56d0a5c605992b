-- expand: replaced names that readers were shown, and which of them were none
-- A name or an address that a release has another one for, as a reader saw it beside the text before. No text is kept.
CREATE TABLE shown_replacements (
    release_id uuid NOT NULL REFERENCES releases,
    ordinal    integer NOT NULL,
    place      integer NOT NULL CONSTRAINT place_in_a_row_counts_from_0 CHECK (place >= 0),
    kind       text NOT NULL CONSTRAINT replaced_kind_is_known CHECK (
                   kind IN ('person', 'address', 'place', 'organisation')),
    staff_id   uuid NOT NULL REFERENCES staff,
    shown_at   timestamptz NOT NULL,
    no_name_at timestamptz,
    PRIMARY KEY (release_id, ordinal, place)
);
