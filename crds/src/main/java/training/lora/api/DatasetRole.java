package training.lora.api;

/** What a data set is for. */
public enum DatasetRole {
    /** What is learned. */
    Train,
    /** What is to stay as it is: pictures of the class without the concept. */
    Regularization,
    /** What is never trained on: the loss on it is measured. */
    Validation
}
