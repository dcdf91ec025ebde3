package audit

const (
	// MaxLeaf bounds a leaf's text in bytes; C2SP entry bundles could carry 65,535.
	MaxLeaf = 1024
	// MaxBody bounds a private body in bytes. A statement that names 10,000 copies fits.
	MaxBody = 8 << 20
	// MaxFacts bounds the clear facts of one leaf.
	MaxFacts = 4
	// MaxSignedCheckpoint bounds a signed checkpoint with all its cosignatures, in bytes.
	MaxSignedCheckpoint = 16 << 10
	// MaxCosignatures bounds the signature lines that a checkpoint may carry.
	MaxCosignatures = 64
	// MaxWitnesses bounds the witness keys of one Keys.
	MaxWitnesses = 48
	// MaxProofHashes bounds inclusion and consistency proofs: 63 is the depth of the largest tree, and C2SP says so.
	MaxProofHashes = 63
	// MaxProofText bounds the text form of a Proof in bytes.
	MaxProofText = 32 << 10
	// MaxSize bounds the number of leaves. It keeps stored-hash indexes (about twice the size) far inside 63 bits.
	MaxSize = int64(1) << 48
	// MaxName bounds origins, witness names and site names, in bytes.
	MaxName = 128
	// MaxKind bounds the name of a kind or a fact, MaxFactValue a fact's value, in bytes.
	MaxKind      = 40
	MaxFactValue = 256
	// MaxReplayText bounds the text of a kept replay in bytes; 48 nodes take less than 3 KiB.
	MaxReplayText = 8 << 10
	// MaxTilePath bounds a tile's path in bytes.
	MaxTilePath = 96
	// TileHeight is the C2SP tile height: a full tile has 256 hashes, a full bundle 256 leaves.
	TileHeight = 8
	// TileWidth is the number of hashes or leaves in a full tile.
	TileWidth = 1 << TileHeight
	// MaxTile bounds a hash tile or an entry bundle in bytes.
	MaxTile = TileWidth * (2 + MaxLeaf)
)
