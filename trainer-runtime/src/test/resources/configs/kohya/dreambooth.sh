#!/bin/sh
accelerate launch --num_cpu_threads_per_process=2 train_db.py --pretrained_model_name_or_path=models/base.ckpt \
  --train_data_dir=src/test/resources/configs/kohya/folders --reg_data_dir=src/test/resources/configs/kohya/class \
  --output_dir=out --output_name=robot --save_model_as=diffusers_safetensors --resolution=512 \
  --prior_loss_weight=0.7 --learning_rate=2e-6 --learning_rate_te=1e-6 --stop_text_encoder_training=300 --no_token_padding \
  --max_train_steps=1200 --train_batch_size=1 --optimizer_type=Lion --mixed_precision=bf16 --full_bf16 --seed=5 --log_with=wandb
