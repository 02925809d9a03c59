package training.lora.operator;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.quarkus.kubernetes.client.KubernetesClientObjectMapperCustomizer;
import jakarta.inject.Singleton;
import training.lora.operator.reconcile.TrainingModule;

/** Reads resources of a newer CRD too: neither a field nor a value that is not known here may stop all others. */
@Singleton
final class ClientSetup implements KubernetesClientObjectMapperCustomizer {
    @Override
    public void customize(ObjectMapper mapper) {
        mapper.disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES);
        mapper.registerModule(new TrainingModule());
    }
}
