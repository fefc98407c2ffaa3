"""Peer: PyTorch DistributedDataParallel over gloo, one process a core.   peer_ddp.py DATASET CORES STORE RANK

Every process draws the same permutation and takes its part of each batch.
"""

import sys

import torch
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

import torch_network
import worker


def main(dataset, processes, store, rank):
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", world_size=processes, rank=rank)
    images, labels = torch_network.load_tensors(dataset)
    generator = torch.Generator().manual_seed(0)

    def make_train_epoch(case):
        model = DistributedDataParallel(torch_network.make_model(case), gradient_as_bucket_view=True,
                                        static_graph=True)
        optimizer = torch_network.make_optimizer(case, model.parameters())
        begin, end = case.batch * rank // processes, case.batch * (rank + 1) // processes
        # Gradients are averaged over processes: parts of unequal length weigh by their rows.
        weight = (end - begin) * processes / case.batch
        x = torch.empty(end - begin, images.shape[1])
        y = torch.empty(end - begin, dtype=torch.int64)

        def train_epoch(rows):
            for index in torch.randperm(rows, generator=generator).split(case.batch):
                own = index[begin:end]
                torch.index_select(images, 0, own, out=x)
                torch.index_select(labels, 0, own, out=y)
                loss = cross_entropy(model(x), y)
                (loss if weight == 1 else loss * weight).backward()
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            return loss.item()

        return train_epoch

    worker.serve(make_train_epoch)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
