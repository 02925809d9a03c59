package training.lora.e2e.cluster;

import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;

/** Starts a cluster when a test first asks for it; it ends with the test run, or with this JVM. */
final class SharedClusters implements ParameterResolver {
    @Override
    public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
        Class<?> type = parameter.getParameter().getType();
        return type == RealCluster.class || type == NodesCluster.class;
    }

    @Override
    public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
        var store = context.getRoot().getStore(ExtensionContext.Namespace.create(SharedClusters.class));
        return parameter.getParameter().getType() == RealCluster.class
                ? store.getOrComputeIfAbsent(RealCluster.class, c -> RealCluster.start(), RealCluster.class)
                : store.getOrComputeIfAbsent(NodesCluster.class, c -> NodesCluster.start(), NodesCluster.class);
    }
}
