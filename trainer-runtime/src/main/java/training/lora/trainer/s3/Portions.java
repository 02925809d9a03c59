package training.lora.trainer.s3;

import java.time.Duration;

/**
 * How requests are tried again and split.
 *
 * @param retryDelay before a request is tried again, doubled each time
 * @param partBytes files larger than this are sent in parts of this size
 * @param page objects in an answer when a prefix is listed
 */
record Portions(Duration retryDelay, long partBytes, int page) {
    /** A cut connection costs one part; 10,000 parts are allowed. */
    static final Portions DEFAULT = new Portions(Duration.ofMillis(500), 8 << 20, 1000);
}
