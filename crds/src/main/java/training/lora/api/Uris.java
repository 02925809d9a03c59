package training.lora.api;

/** What a resource may name as a place to read from. */
final class Uris {
    /** bundled://NAME, pvc://CLAIM/PATH, or a path. */
    static final String PATTERN = "^(bundled|pvc)://[A-Za-z0-9._-]+(/.+)?$|^[^:]+$";

    /** The same in words, what it must be. */
    static final String FORM = "be bundled://NAME, pvc://CLAIM/PATH, or a path without a colon";

    static final int MAX_LENGTH = 1024;

    private Uris() {}
}
