package training.lora.trainer.model.layer.kernel;

/** A LoKr beside a linear map. */
record KroneckerLinearText(LinearText map, DeltaForm.Kronecker form) implements KroneckerText {
    @Override
    public long n() {
        return form.columns();
    }

    @Override
    public String parts() {
        return fill("""
                kx{i} = torch.reshape(torch.permute(torch.reshape({s}, [-1, {m}, {n}]), [1, 0, 2]), [-1, {n}])
                kz{i} = torch.reshape(torch.mm(kx{i}, torch.t(ks{i})), [{m}, -1])
                """);
    }

    @Override
    public String result(String x, String like) {
        return x;
    }

    @Override
    public String rows(String dy) {
        return dy;
    }

    @Override
    public String partGradients(String dy) {
        return fill("""
                kv{i}_r = torch.reshape(kv{i}, [-1, {k}])
                kh{i} = torch.mm(torch.t(kv{i}_r), kx{i})
                ke{i} = torch.mm(kv{i}_r, ks{i})
                """);
    }

    @Override
    public String sourceGradient(String ds, String dy) {
        return fill("ke{i}_s = torch.permute(torch.reshape(ke{i}, [{m}, -1, {n}]), [1, 0, 2])\n")
                + "%1$s_d%2$d = torch.add_(%1$s, %3$s, alpha=%4$s)\n"
                        .formatted(ds, map.i(), fill("torch.reshape(ke{i}_s, [-1, {in}])"), form.scale());
    }
}
