package training.lora.operator.reconcile;

import io.fabric8.kubernetes.api.model.Status;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.net.HttpURLConnection;
import java.util.Objects;
import java.util.Set;

/** The API server does not let something be created as it is, and would say the same at once again. */
final class RefusedException extends Exception {
    private static final long serialVersionUID = 1;
    /** The object does not hold for the API server. */
    private static final int UNPROCESSABLE = 422;

    private static final Set<Integer> CODES = Set.of(
            HttpURLConnection.HTTP_BAD_REQUEST,
            HttpURLConnection.HTTP_FORBIDDEN,
            HttpURLConnection.HTTP_NOT_FOUND,
            UNPROCESSABLE);

    private final String what;
    private final boolean namespaceGoes;

    private RefusedException(String what, String sentence, boolean namespaceGoes) {
        super(sentence);
        this.what = what;
        this.namespaceGoes = namespaceGoes;
    }

    /** Whether {@code e} refuses what was asked for; if not, the server could not answer or has too much to do. */
    static boolean is(KubernetesClientException e) {
        return CODES.contains(e.getCode());
    }

    /** {@code what}: kind and name of what was to be created. */
    static RefusedException of(String what, KubernetesClientException e) {
        Status status = e.getStatus();
        String sentence = status == null ? e.getMessage() : status.getMessage();
        return new RefusedException(
                what, Objects.requireNonNullElse(sentence, "no reason was given"), namespaceGoes(e));
    }

    /** Whether {@code e} says that the namespace is being deleted. */
    static boolean namespaceGoes(KubernetesClientException e) {
        Status status = e.getStatus();
        return status != null
                && status.getDetails() != null
                && status.getDetails().getCauses().stream().anyMatch(c -> "NamespaceTerminating".equals(c.getReason()));
    }

    /** Kind and name of what was to be created. */
    String what() {
        return what;
    }

    /** What the API server said. */
    String sentence() {
        return Objects.requireNonNullElse(getMessage(), "");
    }

    /** Whether it is refused because its namespace is being deleted, and the resource with it. */
    boolean namespaceGoes() {
        return namespaceGoes;
    }
}
