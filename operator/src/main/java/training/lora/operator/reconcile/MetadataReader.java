package training.lora.operator.reconcile;

import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.http.HttpResponse;
import java.io.IOException;
import java.net.HttpURLConnection;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import training.lora.api.Json;
import training.lora.operator.plan.Reference;
import training.lora.operator.plan.ReferenceView;

/** Asks for the metadata of Secrets and service accounts. What else they hold the API server doesn't send. */
final class MetadataReader {
    private static final String METADATA_ALONE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    private static final long MOST_SECONDS = 20;

    private final KubernetesClient client;

    MetadataReader(KubernetesClient client) {
        this.client = client;
    }

    ReferenceView read(String namespace, Reference reference) {
        String path = "api/v1/namespaces/%s/%s/%s"
                .formatted(namespace, reference.kind().plural(), reference.name());
        HttpResponse<byte[]> response = get(path);
        return switch (response.code()) {
            case HttpURLConnection.HTTP_OK -> ReferenceView.of(metadata(response.body()));
            case HttpURLConnection.HTTP_NOT_FOUND -> ReferenceView.MISSING;
            case HttpURLConnection.HTTP_FORBIDDEN -> ReferenceView.HIDDEN;
            default ->
                throw new KubernetesClientException(
                        "the metadata of %s in namespace %s could not be read: %s"
                                .formatted(reference, namespace, response.message()),
                        response.code(),
                        null);
        };
    }

    private static ObjectMeta metadata(byte[] object) {
        try {
            return Json.MAPPER.treeToValue(Json.MAPPER.readTree(object).path("metadata"), ObjectMeta.class);
        } catch (IOException e) {
            throw new KubernetesClientException("an answer without metadata", e);
        }
    }

    private HttpResponse<byte[]> get(String path) {
        var http = client.getHttpClient();
        var request = http.newHttpRequestBuilder()
                .uri(client.getMasterUrl() + path)
                .header("Accept", METADATA_ALONE)
                .build();
        try {
            return http.sendAsync(request, byte[].class).get(MOST_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new KubernetesClientException("interrupted while it asked for " + path, e);
        } catch (ExecutionException | TimeoutException e) {
            throw new KubernetesClientException("no answer to the request for " + path, e);
        }
    }
}
