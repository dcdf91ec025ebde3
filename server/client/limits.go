package client

// maxAnswer bounds every answer that is read into memory, in bytes.
const maxAnswer = 64 << 20
