package training.lora.e2e.cluster;

/** A control plane without nodes and without anything of the project's; whoever starts it closes it. */
final class EmptyCluster extends Kube {
    private EmptyCluster(Scripts scripts) {
        super(scripts, "empty");
    }

    static EmptyCluster start() {
        EmptyCluster cluster = new EmptyCluster(Scripts.ofCheckout("empty", 5));
        cluster.up();
        return cluster;
    }

    @Override
    void end() {
        // There is nothing but the control plane.
    }
}
