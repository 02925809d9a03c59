package training.lora.operator.tls;

/** How pods know the operator: by a ConfigMap in their namespace. */
public interface Trust {
    /** The ConfigMap's name. */
    String configMap();

    /**
     * Makes sure that pods in {@code namespace} can know the operator; before their Job is made, since they wait for the
     * ConfigMap.
     *
     * @throws io.fabric8.kubernetes.client.KubernetesClientException if the ConfigMap can't be written
     * @throws IllegalStateException if the operator has no certificate
     */
    void ensure(String namespace);
}
