package training.lora.api;

/** How much a caption of Florence-2 says: its three tasks. */
public enum CaptionDetail {
    /** A sentence, {@code <CAPTION>}. */
    Caption,
    /** {@code <DETAILED_CAPTION>}. */
    Detailed,
    /** A paragraph, {@code <MORE_DETAILED_CAPTION>}. */
    MoreDetailed
}
