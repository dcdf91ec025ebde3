-- +goose Up
-- What the uploads of a volume try: zstd, s2 or none. Frames say themselves what became of it.
ALTER TABLE volumes ADD COLUMN compression TEXT NOT NULL DEFAULT 'zstd';
-- +goose Down
