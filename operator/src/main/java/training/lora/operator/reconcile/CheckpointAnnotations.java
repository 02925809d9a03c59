package training.lora.operator.reconcile;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.javaoperatorsdk.operator.processing.event.ResourceID;
import java.net.HttpURLConnection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.Json;
import training.lora.operator.plan.CheckpointTime;
import training.lora.operator.plan.Names;
import training.lora.operator.plan.RunPod;

/**
 * Writes the time of the newest checkpoint to each running trainer's pod, once for each checkpoint, and only where this
 * replica leads: reports reach any of them, and all hear of the status.
 */
final class CheckpointAnnotations {
    private static final Logger LOG = LoggerFactory.getLogger(CheckpointAnnotations.class);

    private final KubernetesClient client;
    private final Heard heard;
    private final BooleanSupplier leads;
    /** By the pod's uid; the informer may not have heard of the last one. */
    private final Map<String, String> written = new HashMap<>();

    private boolean forbidden;

    CheckpointAnnotations(KubernetesClient client, Heard heard, BooleanSupplier leads) {
        this.client = client;
        this.heard = heard;
        this.leads = leads;
    }

    /** Writes what is due. */
    synchronized void round() {
        if (!leads.getAsBoolean() || forbidden) {
            return;
        }
        List<Pod> pods = heard.pods();
        Set<String> there = new HashSet<>();
        for (Pod pod : pods) {
            there.add(pod.getMetadata().getUid());
            RunPod known = RunPod.of(pod);
            String time = heard.resource(new ResourceID(
                            pod.getMetadata().getLabels().getOrDefault(Names.NAME, ""),
                            pod.getMetadata().getNamespace()))
                    .map(resource -> CheckpointTime.due(resource, known))
                    .orElse(null);
            if (time != null && !time.equals(written.put(known.uid(), time))) {
                write(pod, time);
            }
        }
        written.keySet().retainAll(there);
    }

    private void write(Pod pod, String time) {
        ObjectNode patch = Json.MAPPER.createObjectNode();
        ObjectNode metadata = patch.putObject("metadata");
        // Refused with 409 if it is another pod of that name.
        metadata.put("uid", pod.getMetadata().getUid());
        metadata.putObject("annotations").put(Names.CHECKPOINT_TIME, time);
        try {
            client.pods()
                    .inNamespace(pod.getMetadata().getNamespace())
                    // By the object: by its name, Fabric8 would read it first.
                    .resource(pod)
                    .patch(PatchContext.of(PatchType.JSON_MERGE), patch.toString());
        } catch (KubernetesClientException e) {
            forbidden = e.getCode() == HttpURLConnection.HTTP_FORBIDDEN;
            boolean gone =
                    e.getCode() == HttpURLConnection.HTTP_NOT_FOUND || e.getCode() == HttpURLConnection.HTTP_CONFLICT;
            if (!gone) {
                LOG.warn(
                        "{}: the annotation {} could not be written{}: {}",
                        Names.path(pod),
                        Names.CHECKPOINT_TIME,
                        forbidden ? ", nor will others be" : "",
                        e.getMessage());
            }
        }
    }
}
