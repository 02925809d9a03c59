#!/usr/bin/env bash
# trains on a card with 12 GB
cd sd-scripts && source venv/bin/activate

accelerate launch --num_cpu_threads_per_process 2 ./sdxl_train_network.py \
  --pretrained_model_name_or_path="../models/sd xl.safetensors" \
  --train_data_dir=../src/test/resources/configs/kohya/folders --resolution=1024,1024 \
  --output_dir ../out --output_name 'robot_xl' \
  --network_module networks.lora --network_dim 16 --network_alpha 8 --network_train_unet_only \
  --optimizer_type=Prodigy --learning_rate=1 --optimizer_args decouple=True weight_decay=0.01 d_coef=2 "betas=0.9,0.99" \
  --lr_scheduler constant --max_train_epochs 10 --save_every_n_epochs 2 \
  --mixed_precision bf16 --caption_extension .txt --cache_text_encoder_outputs --log_with wandb --log_tracker_name robots
echo done
