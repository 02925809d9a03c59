package training.lora.trainer.s3;

import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.services.s3.model.S3Exception;

/**
 * Makes requests, and says what their failures mean.
 *
 * @param faults of the place
 */
record S3Calls(S3Faults faults) {
    /** Rights that requests need. */
    static final String LIST = "s3:ListBucket";

    static final String GET = "s3:GetObject";
    static final String PUT = "s3:PutObject";
    static final String DELETE = "s3:DeleteObject";

    /** Who may not list is refused (403) what is not there as well. */
    static final String FIND = GET + " and " + LIST;

    static final int PRECONDITION_FAILED = 412;

    /**
     * @param right that it needs
     * @param name what it is about, below the place; empty: the place
     */
    <T extends @Nullable Object> T make(String right, String name, Supplier<T> request) {
        try {
            return request.get();
        } catch (SdkException e) {
            throw faults.of(e, right, name);
        }
    }

    /** The same; null where there is no such object, or it is another. */
    <T> @Nullable T find(String name, Supplier<T> request) {
        return make(FIND, name, () -> {
            try {
                return request.get();
            } catch (S3Exception e) {
                // Unknown keys, and what is no server of S3, are 404 as well.
                if (S3Refusal.of(e) == S3Refusal.NoObject || e.statusCode() == PRECONDITION_FAILED) {
                    return null;
                }
                throw e;
            }
        });
    }
}
