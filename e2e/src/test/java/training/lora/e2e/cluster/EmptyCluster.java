package training.lora.e2e.cluster;

import java.util.Map;
import java.util.Objects;

/** A control plane without nodes and without anything of the project's; whoever starts it closes it. */
final class EmptyCluster extends Kube {
    private EmptyCluster(Scripts scripts) {
        super(scripts, "empty");
    }

    static EmptyCluster start() {
        // A name and ports for each checkout, beside those of RealCluster.
        int hash = Math.floorMod(Scripts.HOME.toString().hashCode(), 1000);
        Scripts scripts = new Scripts("empty" + hash, Map.of("CLUSTER_PORT", Integer.toString(20_005 + 10 * hash)));
        scripts.prepare();
        Objects.requireNonNull(scripts.lock());
        EmptyCluster cluster = new EmptyCluster(scripts);
        cluster.up();
        return cluster;
    }

    @Override
    void end() {
        // There is nothing but the control plane.
    }
}
