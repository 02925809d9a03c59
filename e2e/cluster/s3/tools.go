//go:build tools

// Package s3 pins the S3 server that tests keep buckets in; build makes its binary.
package s3

import _ "github.com/versity/versitygw/cmd/versitygw"
